"""Models by URI: what may name one, its local folder, its sizes, and the stage that brings it into the store."""
