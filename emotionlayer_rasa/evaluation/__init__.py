"""How good it is: recognizers of a voice, fusion of voice and words on scenarios, and what is replied."""
