"""Files of public archives to messages and rows, the same kinds that recorded frames are decoded to."""
