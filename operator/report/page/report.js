// Draws the charts of the page from the numbers that stand in it. What is shown was decided before.
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const colors = ["#0b62a8", "#d1570c", "#1a7f4b", "#8a3fa0", "#b08900", "#a3123f", "#0a8a8a", "#5b5b5b"];
  const lost = "#b3261e";

  // In a fixed order, so that the thousandth point is as cheap as the first.
  function rowsOf(chart) {
    const bands = chart.kind === "bands";
    return chart.rows.map(function (row) {
      const x = chart.overSteps ? row[0] : new Date(row[0]);
      return [x].concat(row.slice(1).map(function (cell) {
        if (cell === null) return bands ? [null, null, null] : null;
        return bands ? cell : cell[1];
      }));
    });
  }

  // Each loss as a line with the number that it has in the table.
  function drawMarks(context, area, graph) {
    const range = graph.xAxisRange();
    context.save();
    context.strokeStyle = context.fillStyle = lost;
    context.font = "11px sans-serif";
    data.marks.forEach(function (mark) {
      if (mark.x < range[0] || mark.x > range[1]) return;
      const x = Math.round(graph.toDomXCoord(mark.x)) + 0.5;
      context.setLineDash([4, 3]);
      context.beginPath();
      context.moveTo(x, area.y);
      context.lineTo(x, area.y + area.h);
      context.stroke();
      context.fillText(mark.label, x + 3, area.y + 11);
    });
    context.restore();
  }

  function shortNumber(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6) return Number((value / 1e6).toPrecision(3)) + "M";
    if (size >= 1e4) return Number((value / 1e3).toPrecision(3)) + "k";
    return String(Number(value.toPrecision(4)));
  }

  // A single point stands in the middle of something.
  function windowOf(chart) {
    if (chart.rows.length !== 1) return null;
    const around = chart.overSteps ? 1 : 30000;
    return [chart.rows[0][0] - around, chart.rows[0][0] + around];
  }

  function optionsOf(chart) {
    const stack = chart.kind === "stack";
    return {
      labels: [chart.overSteps ? "step" : "time"].concat(chart.labels),
      labelsUTC: true,
      dateWindow: windowOf(chart),
      legend: "always",
      labelsDiv: chart.id + "-legend",
      colors: colors,
      customBars: chart.kind === "bands",
      stackedGraph: stack,
      stepPlot: chart.kind === "steps",
      strokeWidth: 1.6,
      drawPoints: chart.rows.length < 3,
      pointSize: 3,
      connectSeparatedPoints: false,
      xlabel: chart.overSteps ? "step" : "time (UTC)",
      ylabel: chart.unit,
      xLabelHeight: 16,
      yLabelWidth: 16,
      valueRange: stack ? [0, 101] : null,
      includeZero: chart.id !== "loss" && !stack,
      axes: {
        x: chart.overSteps ? { axisLabelFormatter: shortNumber, valueFormatter: String } : {},
        y: { axisLabelFormatter: shortNumber, valueFormatter: shortNumber, axisLabelWidth: 56 },
      },
      underlayCallback: chart.overSteps ? null : drawMarks,
    };
  }

  const graphs = data.charts.map(function (chart) {
    return new Dygraph(document.getElementById(chart.id), rowsOf(chart), optionsOf(chart));
  });

  // What is zoomed in one chart over time is zoomed in all.
  const overTime = graphs.filter(function (graph, index) { return !data.charts[index].overSteps; });
  let following = false;
  overTime.forEach(function (graph) {
    graph.updateOptions({
      drawCallback: function (drawn, initial) {
        if (initial || following) return;
        following = true;
        const zoomed = drawn.isZoomed("x") ? drawn.xAxisRange() : null;
        overTime.forEach(function (other) {
          if (other !== drawn) other.updateOptions({ dateWindow: zoomed });
        });
        following = false;
      },
    }, true);
  });

  function fit() { graphs.forEach(function (graph) { graph.resize(); }); }
  window.addEventListener("beforeprint", fit);
  window.addEventListener("afterprint", fit);
  document.documentElement.dataset.drawn = String(graphs.length);
})();
