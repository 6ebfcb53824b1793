"""Animal pose: labels in, models out; videos in, poses out."""
