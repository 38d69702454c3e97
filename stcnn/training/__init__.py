"""Training: the recipe, the Lightning module, its callbacks, and :func:`stcnn.training.session.train`."""
