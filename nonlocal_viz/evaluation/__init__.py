"""What a model's rows are worth: ``nonlocal-viz evaluate``. It may import training, never the other way.

``numbers``    every number that is measured, in one table: name, words, meaning, who keeps it
``segments``   photos with COCO instances; ``scores`` average precision of drawn queries
``baselines``  what rows are held against
``evaluate``   the numbers of a model's blocks; ``classify`` its accuracy on Imagenette
``measure``    several models at several sizes; ``found`` what it gave, as JSON, a table, a manifest's
               metrics; ``report`` as the tables of the README
"""
