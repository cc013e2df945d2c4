"""The loss, the points where it is evaluated, and how both move while a solution is trained."""
