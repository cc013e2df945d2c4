"""Files of others, read with care: pictures, sounds, meshes, videos. A fault gets one clear line."""
