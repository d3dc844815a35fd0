"""Stands in for Hugging Face's inference toolkit, as far as scripts import it: content types, decoder_encoder."""
