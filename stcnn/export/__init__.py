"""Trained models in the forms of other programs.

``request``          what is asked for
``sources``          what is exported: a run of ours or a published folder
``layout``           a network as the published ``config.json`` describes it
``tensors``          its tensors and the optimiser's under their published names
``published``        the published folder
``step_filters``     temporal filters as pure functions of a frame and a state
``step_network``     a network, an ensemble, a clip as such functions
``source_networks``  the networks of a run as such functions, and the facts about them
``probes``           twenty stimuli, and how far two answers to them are apart
``onnx_files``       ``step.onnx`` and ``clip.onnx``
``torch_files``      ``step.pt2`` and ``clip.pt2``
"""
