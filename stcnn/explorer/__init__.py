"""A page in which models are asked: stimuli, maps, answers, changes of the network, all computed in the browser.

``of_run``       the page of a run
``page``         the page of some models
``description``  a model as the page takes it
``recordings``   recordings that are laid over its answers
``controls``     what it offers: stimuli, sliders, protocols
``js``           the scripts: network, stimuli, drawing, controls
"""
