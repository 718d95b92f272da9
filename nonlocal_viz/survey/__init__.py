"""The numbers of a network's maps over many pictures and clips, on one machine or a cluster (Ray)."""

from nonlocal_viz.survey.driver import Plan, survey

__all__ = ["Plan", "survey"]
