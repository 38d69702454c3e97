"""Which recordings train a model and which are held out, and by what copies of them are known again."""
