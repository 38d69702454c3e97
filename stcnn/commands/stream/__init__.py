"""``stcnn stream``: a trained model live, from a camera, a video, standard input or a rig's frames over ZeroMQ."""

from stcnn.commands.stream.command import app as app
