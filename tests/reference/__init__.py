"""Independent references the tests compare with; nothing here imports stcnn."""
