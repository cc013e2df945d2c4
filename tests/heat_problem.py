"""The heat equation as a problem file, which tests of problems and of the PDE commands read and edit."""

HEAT = """
name: heat
domain: {x: [0, 1], t: [0, 1]}
unknowns: [u]
parameters: {a: 0.1}
residuals: ["u_t - a*u_xx"]
conditions:
  - {at: "t = 0", u: "sin(pi*x)"}
  - {at: boundary, u: 0}
"""
HEAT_AND_EXACT = HEAT + 'reference: {exact: {u: "exp(-a*pi**2*t)*sin(pi*x)"}}\n'
