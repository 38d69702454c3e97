"""A model live: what senders may send, the answers to it, and the ways over a network in which both travel."""
