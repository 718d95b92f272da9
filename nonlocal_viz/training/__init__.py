"""How the default weights came to be, runnable again: ``nonlocal-viz train`` and ``nonlocal-viz evaluate``.

A block that is trained for the class label alone learns rows that ignore the query's object. Here
the rows have a target of their own: a random walk over the image, along the similarities of a
pretrained teacher's features (:mod:`.targets`). One file a step:

``images``   named folders -> one uint8 array
``teacher``  EfficientNet-Lite0 -> features and logits, once an image
``targets``  features -> low-rank factors of the diffused affinity, once an image
``student``  the ResNet with training-time normalisation in its blocks, folded away at export
``config``   what decides the outcome but the images; ``schedule`` when its phases are;
             ``recipes`` the configs that have a name
``losses``   what is minimised; ``precision`` in how many bits
``fit``      the loop; ``resume`` how it goes on after a kill; ``progress`` its log and bar
``frozen``   new blocks in the backbone of a model that there is; ``start`` all of it, trained on
``evaluate`` segment AP and the other numbers that say whether it worked; ``report`` them as tables
"""
