"""The report of a finished run: one self-contained HTML page, made from ``rows.json`` alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2.exceptions import UndefinedError

from nanoneurons.core.errors import NanoneuronsError, StoreError
from nanoneurons.core.files import write_atomic

from .store import read_rows
from .words import number, percent, requirement_sentence, si, signed

__all__ = ["write"]


def write(folder: str | Path) -> Path:
    """Write ``report.html`` (and each figure as ``figures/<name>.svg``) beside the ``rows.json`` of `folder`.

    Raises:
        StoreError: no finished run lies there, or the folder cannot be written.
    """
    place = Path(folder)
    result = read_rows(place)
    try:
        page, pictures = {"audit": _audit, "design": _design, "fit": _fit}.get(result["kind"], _reproduction)(result)
    except NanoneuronsError:
        raise  # an unknown paper is also a KeyError, and says better what is wrong
    except (KeyError, UndefinedError) as error:
        raise StoreError(
            f"{place / 'rows.json'} lacks {error}: another version wrote it; start the run again to rebuild it"
        ) from error
    for picture in pictures:
        write_atomic(place / "figures" / f"{picture['name']}.svg", _standalone(str(picture["wide"])))
    return write_atomic(place / "report.html", page)


def _standalone(text: str) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text + "\n"


def _audit(result: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    from .figures import audit_pictures
    from .study import toml
    from .uncertainty import rows, sentence

    pictures = _render(audit_pictures(result))
    study = {k: v for k, v in result["study"].items() if k != "key"}
    need, fit = result["requirement"], result.get("fit")  # audits of earlier versions have none
    page = _page(
        "audit.html.j2",
        **result,
        pictures=pictures,
        tiles=_tiles(result),
        fit_text=fit and _sentence(sentence(fit)),
        fit_rows=fit and rows(fit),
        requirement_text=need and _sentence(f"{need['label']}: {requirement_sentence(need)}"),
        yield_text=_yield_text(result["yield"]),
        test_error=_test_error(result["costs"]),
        study_toml=toml(study),
    )
    return page, pictures


def _reproduction(result: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    from .reproduce import pictures_of

    pictures = _render(pictures_of(result))
    command = f"nanoneurons reproduce {result['key']}" + (" --quick" if result["quick"] else "")
    page = _page(
        "reproduction.html.j2",
        **result,
        pictures=pictures,
        config_text=json.dumps(result["config"], indent=2, ensure_ascii=False),
        command=f"{command} --seeds {result['config']['seeds']}" if "seeds" in result["config"] else command,
    )
    return page, pictures


def _design(result: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    from .rf_figures import design_pictures
    from .rf_words import fact_lines, plan_rows

    pictures = _render(design_pictures(result))
    page = _page(
        "design.html.j2",
        **result,
        pictures=pictures,
        form_rows=plan_rows(result["limits"]),
        form_facts=[_sentence(line) for line in fact_lines(result["limits"])],
        config_text=json.dumps(result["design"], indent=2, ensure_ascii=False),
    )
    return page, pictures


def _fit(result: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    from . import fit_words
    from .fit_figures import fit_pictures

    pictures = _render(fit_pictures(result))
    page = _page(
        "fit.html.j2",
        **result,
        pictures=pictures,
        tiles=fit_words.tiles(result),
        amount=fit_words.amount(result["data"]),
        kind_text=fit_words.KINDS[result["data"]["kind"]],
        split_text=result["split"] and fit_words.split_text(result["split"]),
        choice_text=result["choice"] and f"{result['choice']}.",
        ends=fit_words.interval_text,
        behind=fit_words.log_text,
    )
    return page, pictures


def _render(pictures: list[Any]) -> list[dict[str, Any]]:
    """Draw each figure for a wide page and for a phone."""
    from markupsafe import Markup

    from .drawing import both

    drawn = []
    for n, p in enumerate(pictures):
        svg = both(p.draw, p.height, p.title, f"f{n}", narrow_height=p.narrow_height)
        text = {"name": p.name, "title": p.title, "caption": p.caption}
        drawn.append({**text, **{size: Markup(content) for size, content in svg.items()}})
    return drawn


def _page(template: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nanoneurons.lab", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["quantity"] = _shown
    environment.filters["count"] = lambda n: f"{n:,.0f}" if n < 1e6 else f"{n:.3g}"
    environment.filters["signed"] = signed
    environment.filters["interval"] = _interval
    return environment.get_template(template).render(**values)


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{signed(value)} {unit}" if unit in ("%", "points") else number(value, unit)


def _interval(cost: dict[str, Any]) -> str:
    return "–" if cost["low"] is None else f"{signed(cost['low'])} to {signed(cost['high'])}"


def _tiles(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The four numbers to remember."""
    rows = {r["condition"]: r for r in result["rows"]}
    full, ideal = rows["full"], rows["ideal"]
    half = "" if full["low"] is None else f" ± {50 * (full['high'] - full['low']):.2f}"
    fitted = ""
    if (fit := result.get("fit")) is not None:
        low, high = max(fit["low"], 0.0), min(fit["high"], 1.0)
        fitted = f"; {100 * low:.1f} to {100 * high:.1f} % with the uncertainty of the fit"
    tiles = [
        {
            "value": f"{100 * full['mean']:.2f}{half} %",
            "text": f"accuracy of the full device (ideal: {percent(ideal['mean'])}){fitted}",
            "verified": True,
        }
    ]
    worst, need = result["costliest"], result["requirement"]
    if worst is not None:
        (cost,) = [c for c in result["costs"] if c["imperfection"] == worst["imperfection"]]
        how = "gained by removing" if worst["by"] == "removed" else "lost by"
        interval = _interval(cost[worst["by"]])
        tiles.append(
            {
                "value": f"{signed(cost[worst['by']]['points'])} points",
                "text": f"{how} the costliest, {cost['label']} ({interval})",
                "verified": True,
            }
        )
    if need is not None and need["factor"] is not None:
        more = "≥ " if need["open_ended"] else ""
        verb = (
            "may grow to this many times its size"
            if need["status"] == "already below"
            else "of its size is what it must fall to"
        )
        tiles.append(
            {"value": f"{more}{need['factor']:.2f} ×", "text": f"{verb}, to cost less than one point", "verified": True}
        )
    bill = result["energy"]["inference"]
    trained = result["energy"]["training"]
    also = f"; {si(trained['joule'], 'J')} per training of one chip" if trained["joule"] else ""
    tiles.append(
        {
            "value": si(bill["joule"], "J"),
            "text": f"per inference{also}",
            "verified": bill["verified"] and (trained["verified"] or not trained["joule"]),
        }
    )
    return tiles


def _yield_text(found: dict[str, Any]) -> str:
    best = found["accuracy"][0]
    low = found["low"][0]
    return (
        f"All {found['chips']} chips reach {percent(best)}; with 95 % confidence at least {100 * low:.0f} % of such "
        f"chips do. Half of them reach {percent(found['median'])}."
    )


def _test_error(costs: list[dict[str, Any]]) -> str:
    errors = [c[kind]["se_test"] for c in costs for kind in ("removed", "alone") if c[kind]["se_test"] is not None]
    if not errors:
        return "an unknown number of points"
    low, high = min(errors), max(errors)
    return f"{high:.2f} points" if high - low < 0.005 else f"{low:.2f} to {high:.2f} points"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
