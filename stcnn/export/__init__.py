"""Trained models in the forms of other programs.

``layout``     a network as the published ``config.json`` describes it
``tensors``    its tensors and the optimiser's under their published names
``published``  the published folder
``sources``    what is exported: a run of ours or a published folder
"""
