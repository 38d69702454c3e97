"""Runs as folders to hand on: what is in them, their model card, writing and opening them.

``folder``   what such a folder holds, and whether it is whole
``card``     the model card
``write``    ``stcnn export --as hub``
``opening``  ``stcnn.from_pretrained``: a folder, or a name on a hub
"""
