"""Who is who: poses of frames become tracks of animals."""
