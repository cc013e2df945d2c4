"""Where: shapes, their boundaries, time, and the places that ``at`` names; drawing points there."""
