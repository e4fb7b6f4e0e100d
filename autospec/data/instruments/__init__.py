"""Files as spectrometers write them, one scan a file: each format a file, and folders of them."""
