"""All that the page says, a module for each tab; a translation is a copy of this folder."""
