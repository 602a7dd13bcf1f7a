"""Compiled laws of two switches that heat themselves: rates of voltage and temperature, with exact Jacobians.

Each is one row ``p`` of parameters and one row ``y`` of states, laid out by the constants below. The solver's first
variable is the voltage across the switching core; `node_voltage` and `core_voltage` translate it.
"""

from __future__ import annotations

import math

import numba

__all__ = [
    "FIRST",
    "PARAMETERS",
    "POOLE_FRENKEL",
    "STATES",
    "VANADIUM",
    "core_voltage",
    "device_current",
    "flow",
    "node_voltage",
    "rates",
    "turn_round",
]

_jit = numba.njit(error_model="numpy")  # a division by zero makes the step fail, as it should

POOLE_FRENKEL, VANADIUM = 0, 1

PARAMETERS = (
    "load", "capacitance", "thermal_resistance", "thermal_capacitance", "ambient", "switched", "swing", "noise",
    "jitter", "own",
)  # fmt: skip
LOAD, CAPACITANCE, THERMAL_R, THERMAL_C, AMBIENT, SWITCHED, SWING, NOISE, JITTER, OWN = range(10)
FIRST = 10  # where a law's own parameters begin
RESISTANCE, LOWERING, SERIES = 10, 11, 12  # Poole-Frenkel
ARRHENIUS, SLOPE, METALLIC, STEEPNESS, WIDTH, LOOP = 10, 11, 12, 13, 14, 15  # vanadium dioxide

STATES = ("voltage", "temperature", "mark", "armed", "now", "stride", "direction", "turning", "proximity")
VOLTAGE, TEMPERATURE, MARK, ARMED, NOW, STRIDE, DIRECTION, TURNING, PROXIMITY = range(9)

_EV = 8.617333262e-5  # k_B / e in V/K
_PI2 = math.pi**2


@_jit
def _conduction(p, y, x, t):  # pragma: no cover - compiled
    """Current, conductance, half the lowering and the barrier, both over kT, of Poole-Frenkel conduction."""
    thermal = _EV * t
    lowered = p[LOWERING] * math.sqrt(abs(x)) / thermal
    b = y[NOW] / thermal - lowered
    g = math.exp(-b) / p[RESISTANCE]
    return x * g, g, 0.5 * lowered, b


@_jit
def _poole_frenkel_flow(p, y, x, t, source):  # pragma: no cover - compiled
    """dx/dt and dT/dt. Node voltage v = x + R_s i, so dv/dt = (1 + R_s i_x) dx/dt + R_s i_t dT/dt."""
    i, g, a, b = _conduction(p, y, x, t)
    r_s = p[SERIES]
    f_t = (x * i - (t - p[AMBIENT]) / p[THERMAL_R]) / p[THERMAL_C]
    push = ((source - x - r_s * i) / p[LOAD] - i) / p[CAPACITANCE]
    return (push - r_s * i * b / t * f_t) / (1 + r_s * g * (1 + a)), f_t


@_jit
def _poole_frenkel(p, y, x, t, source):  # pragma: no cover - compiled
    i, g, a, b = _conduction(p, y, x, t)
    f_x, f_t = _poole_frenkel_flow(p, y, x, t, source)
    i_x, i_t = g * (1 + a), i * b / t
    safe = x if abs(x) > 1e-9 else 1e-9  # the second derivative is not finite at 0 V
    i_xx = g * a * (1.5 + a) / safe
    i_xt = g * (b * (1 + a) - a) / t
    i_tt = i * b * (b - 2) / (t * t)
    c, c_t, r_l, r_s = p[CAPACITANCE], p[THERMAL_C], p[LOAD], p[SERIES]
    t_x, t_t = (i + x * i_x) / c_t, (x * i_t - 1 / p[THERMAL_R]) / c_t
    over = 1 / (1 + r_s * i_x)
    n_x = ((-1 - r_s * i_x) / r_l - i_x) / c - r_s * (i_xt * f_t + i_t * t_x)
    n_t = (-r_s * i_t / r_l - i_t) / c - r_s * (i_tt * f_t + i_t * t_t)
    return f_x, f_t, (n_x - f_x * r_s * i_xx) * over, (n_t - f_x * r_s * i_xt) * over, t_x, t_t


@_jit
def _proximity(p, y, t):  # pragma: no cover - compiled
    """Shift of the temperature by the last reversal, and its derivative (de Almeida et al. 2002)."""
    scale = y[PROXIMITY]
    if abs(scale) < 1e-12:
        return 0.0, 0.0
    u = (t - y[TURNING]) / scale
    near = math.tanh(_PI2 - 2 * math.pi * u)
    wave = 1 - math.sin(p[LOOP] * u)
    shift = 0.5 * scale * wave * (1 + near)
    slope = 0.5 * (-p[LOOP] * math.cos(p[LOOP] * u) * (1 + near) - 2 * math.pi * wave * (1 - near * near))
    return shift, slope


@_jit
def _vanadium_resistance(p, y, t):  # pragma: no cover - compiled
    """Resistance in ohm and its derivative by temperature, on the branch that the state is on."""
    shift, slope = _proximity(p, y, t)
    s = math.tanh(p[STEEPNESS] * (0.5 * y[DIRECTION] * p[WIDTH] + y[NOW] - t - shift))
    insulating = p[ARRHENIUS] * math.exp(p[SLOPE] / t)
    share = 0.5 * (1 + s)
    change = -0.5 * p[STEEPNESS] * (1 - s * s) * (1 + slope) - share * p[SLOPE] / (t * t)
    return insulating * share + p[METALLIC], insulating * change


@_jit
def _vanadium(p, y, v, t, source):  # pragma: no cover - compiled
    r, r_t = _vanadium_resistance(p, y, t)
    c, c_t, r_l = p[CAPACITANCE], p[THERMAL_C], p[LOAD]
    f_v = ((source - v) / r_l - v / r) / c
    f_t = (v * v / r - (t - p[AMBIENT]) / p[THERMAL_R]) / c_t
    pull = v / (r * r) * r_t
    return f_v, f_t, -(1 / r_l + 1 / r) / c, pull / c, 2 * v / (r * c_t), (-v * pull - 1 / p[THERMAL_R]) / c_t


@_jit
def flow(law, p, y, x, t, source):  # pragma: no cover - compiled
    """dx/dt and dT/dt at a core voltage, a temperature and a source voltage."""
    t = max(t, 1.0)  # a trial stage may leave the physical range; the step is then refused for its error
    if law == POOLE_FRENKEL:
        return _poole_frenkel_flow(p, y, x, t, source)
    r = _vanadium_resistance(p, y, t)[0]
    heat = x * x / r - (t - p[AMBIENT]) / p[THERMAL_R]
    return ((source - x) / p[LOAD] - x / r) / p[CAPACITANCE], heat / p[THERMAL_C]


@_jit
def rates(law, p, y, x, t, source):  # pragma: no cover - compiled
    """`flow` and its Jacobian xx, xT, Tx, TT."""
    if law == POOLE_FRENKEL:
        return _poole_frenkel(p, y, x, t, source)
    return _vanadium(p, y, x, t, source)


@_jit
def device_current(law, p, y, x, t):  # pragma: no cover - compiled
    """Current in A through the device at a core voltage and a temperature."""
    if law == POOLE_FRENKEL:
        return _conduction(p, y, x, t)[0]
    return x / _vanadium_resistance(p, y, t)[0]


@_jit
def node_voltage(law, p, y, x, t):  # pragma: no cover - compiled
    """Voltage in V at the node of load, capacitor and device."""
    if law == POOLE_FRENKEL:
        return x + p[SERIES] * device_current(law, p, y, x, t)
    return x


@_jit
def core_voltage(law, p, y, v, t):  # pragma: no cover - compiled
    """Inverse of `node_voltage` at the same temperature, by Newton's method; its function is increasing and convex."""
    if law != POOLE_FRENKEL or v == 0:
        return v
    size, x = abs(v), abs(v)  # from above, where Newton's method comes down monotonically
    for _ in range(100):
        _, g, a, _ = _conduction(p, y, x, t)
        over = 1 + p[SERIES] * g * (1 + a)
        change = (x + p[SERIES] * x * g - size) / over
        x = max(x - change, 0.0)
        if abs(change) <= 1e-15 * size:
            break
    return math.copysign(x, v)


@_jit
def turn_round(p, y, t):  # pragma: no cover - compiled
    """Leave the present branch at a temperature for one in the other direction, where the resistance is the same."""
    shift, _ = _proximity(p, y, t)
    y[PROXIMITY] = shift - y[DIRECTION] * p[WIDTH]
    y[DIRECTION] = -y[DIRECTION]
    y[TURNING] = t
