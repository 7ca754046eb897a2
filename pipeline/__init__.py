"""Everything that runs in Beam."""
