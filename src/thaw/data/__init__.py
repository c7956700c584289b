"""From files to images, splits and views. May import sample and the modules beside the rooms."""
