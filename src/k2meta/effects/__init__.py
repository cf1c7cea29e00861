"""Effects: from validated records to one ``yi, vi`` per trial, with the route by which each was derived."""
