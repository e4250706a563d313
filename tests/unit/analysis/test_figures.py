"""Figures draw whatever is there, say what is not, and are the same every time."""

import hashlib
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from discovery.analysis import style
from discovery.analysis.completion_plots import completion_figure
from discovery.analysis.distribution_plots import distribution_figure
from discovery.analysis.model import fit, queries_per_iteration, residuals, slopes_and_counts
from discovery.analysis.model_plots import model_figure
from discovery.analysis.resource_plots import resource_figure
from discovery.analysis.resources import METRICS, usage
from discovery.analysis.summary import conditions, summarise
from discovery.analysis.testbed_plots import phase_figure, wan_figure
from discovery.analysis.trip_plots import prediction_figure, round_trips_figure
from discovery.claims.published import read_published
from discovery.deploy.backends import BACKENDS

PUBLISHED = read_published(Path(__file__).parents[3] / "experiments" / "keystone-2018")


def distributions(tables, summary, *, sites, load):
    return distribution_figure(tables, summary, PUBLISHED, sites=sites, load=load)


def model(tables):
    fitted = fit(tables)
    joined = slopes_and_counts(fitted, queries_per_iteration(tables))
    return model_figure(joined, residuals(tables, fitted), sites=3)


def figures(tables, summary):
    for sites, load in conditions(tables):
        yield completion_figure(tables, summary, sites=sites, load=load)
        yield distributions(tables, summary, sites=sites, load=load)
        yield round_trips_figure(tables, sites=sites, load=load)
    yield model(tables)
    yield prediction_figure(tables, sites=3)
    yield resource_figure(tables, sites=3)
    yield wan_figure(tables)
    yield phase_figure(tables)
    yield phase_figure(tables, steps_of="deploy")


def words(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_every_figure_is_drawn_with_any_hole_in_the_data(gappy):
    for figure in figures(*gappy):
        with style.figure_style():
            figure.draw_without_rendering()
        assert figure.get_size_inches()[0] in (style.COLUMN_IN, style.DOUBLE_IN)


@pytest.mark.parametrize("figure", [completion_figure, distributions])
def test_failures_are_on_the_figure(study, summary, figure):
    drawn = words(figure(study, summary, sites=3, load="high"))
    assert any("cell failed" in text for text in drawn)
    failed = summary.query("load == 'high' and failures > 0")
    assert len(failed)
    for row in failed.to_dict("records"):
        mark = {
            completion_figure: f"✗{row['failures']}/{row['n']}",
            distributions: f"{row['n'] - row['failures']}/{row['n']}",
        }[figure]
        assert any(mark in text for text in drawn)


def panels_of(figure, scenarios, delays):
    """The panels of a grid, by scenario and delay, in the order they are drawn in."""
    assert len(figure.axes) == len(scenarios) * len(delays)
    return {
        (scenario, delay): figure.axes[row * len(delays) + column]
        for row, scenario in enumerate(scenarios)
        for column, delay in enumerate(delays)
    }


def test_a_curve_ends_at_the_share_that_succeeded(study, summary):
    figure = distributions(study, summary, sites=3, load="high")
    chosen = summary.query("load == 'high'")
    panels = panels_of(figure, list(dict.fromkeys(chosen["scenario"])), ["0", "50", "150"])
    for (scenario, delay), part in chosen.query("n > failures").groupby(["scenario", "delay"]):
        curves = [line for line in panels[scenario, delay].lines if len(line.get_ydata()) > 1]
        ends = sorted((line.get_color(), max(line.get_ydata())) for line in curves)
        asked = sorted(
            (style.COLOURS[backend], 1 - failures)
            for backend, failures in part[["backend", "failure_share"]].itertuples(index=False)
        )
        assert [colour for colour, _ in ends] == [colour for colour, _ in asked]
        assert [end for _, end in ends] == pytest.approx([end for _, end in asked])


def test_published_means_are_marked_and_bars_of_a_pixel_are_not(study, summary):
    figure = distributions(study, summary, sites=3, load="light")
    scenarios = list(dict.fromkeys(summary["scenario"]))
    for (scenario, delay), panel in panels_of(figure, scenarios, ["0", "50", "150"]).items():
        marks = {
            (line.get_markeredgecolor(), float(line.get_xdata()[0]))
            for line in panel.lines
            if line.get_marker() == "v"
        }
        sites = 3 if delay == "0" else 9  # on a LAN the study has three instances, too
        bars = PUBLISHED.query(
            "scenario == @scenario and one_way_delay_ms == @delay_ms and load == 'light'"
            " and sites == @sites and bound in ('exact', 'about')",
            local_dict={"scenario": scenario, "delay_ms": float(delay), "sites": sites},
        )
        assert marks == {
            (style.COLOURS[backend], total)
            for backend, total in bars[["backend", "total_s"]].itertuples(index=False)
        }
        assert len(marks) == 3


def test_the_models_panels_hold_every_line_and_every_residual(study):
    fitted = fit(study)
    points = residuals(study, fitted)
    figure = model(study)
    times, slopes, rest = figure.axes
    assert len([line for line in rest.lines if line.get_linestyle() == "None"]) == len(points)
    drawn = {float(line.get_ydata()[0]) for line in slopes.lines if len(line.get_xdata()) == 1}
    assert drawn == set(fitted.loc[fitted["round_trips"] > 0, "round_trips"])
    assert [label.get_text() for label in rest.get_xticklabels()] == [
        "LAN",
        "100 ms\nRTT",
        "300 ms\nRTT",
        "beside\nthe server",
    ]
    assert len([line for line in times.lines if len(line.get_xdata()) == 2]) == 3


def test_a_resource_line_spans_the_nodes(study):
    figure = resource_figure(study, sites=3)
    nodes = usage(study).query("load == 'high' and backend == 'galera' and kind == 'client'")
    for metric, panel in zip(METRICS, figure.axes[-len(METRICS) :], strict=True):
        spans = [
            (min(line.get_ydata()), max(line.get_ydata()))
            for line in panel.lines
            if line.get_color() == style.COLOURS["galera"] and len(line.get_ydata()) == 2
        ]
        for _, part in nodes.groupby("delay"):
            wanted = pytest.approx((part[metric].min(), part[metric].max()))
            assert any(span == wanted for span in spans)


def test_drawing_leaves_no_setting_behind(study, summary):
    before = dict(mpl.rcParams)
    state = np.random.get_state()[1].tolist()
    for _ in figures(study, summary):
        pass
    assert dict(mpl.rcParams) == before
    assert np.random.get_state()[1].tolist() == state
    assert pyplot.get_fignums() == []


def test_a_group_that_was_not_run_says_so(study):
    tables = {
        name: table[~((table["backend"] == "galera") & (table["delay"] == "50"))]
        for name, table in study.items()
    }
    assert "not run" in words(completion_figure(tables, summarise(tables), sites=3, load="light"))


def test_every_back_end_has_a_colour_a_mark_and_a_name_of_its_own():
    for registry in (style.COLOURS, style.MARKERS, style.NAMES):
        assert set(BACKENDS) <= set(registry)
        assert len(set(registry.values())) == len(registry)
    greys = sorted(sum(to_rgb(colour)) for colour in style.COLOURS.values())
    assert all(lighter - darker > 0.02 for darker, lighter in pairwise(greys))


def test_no_text_is_smaller_than_print_allows(study, summary):
    for figure in figures(study, summary):
        sizes = [
            text.get_fontsize()
            for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
            if text.get_text().strip()
        ]
        assert min(sizes) >= 6.0


def test_the_same_data_give_the_same_files(study, tmp_path):
    digests = []
    for attempt in ("first", "second"):
        style.save(wan_figure(study), tmp_path / attempt, "wan")
        files = sorted((tmp_path / attempt / "figures").iterdir())
        assert [file.name for file in files] == ["wan.pdf", "wan.png"]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
