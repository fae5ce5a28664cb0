// A dashboard as a picture: its panels with Grafana's own components (@grafana/ui), from answers of Prometheus that
// stand in the page. The plugins around these components are part of Grafana's server and of no package: what they do
// between a panel's JSON and a component is done here, as far as our dashboards use it. Grafana has no component for
// heatmaps outside of it: their cells are drawn on its chart (UPlotChart).
import React from "react";
import { createRoot } from "react-dom/client";
import { createTheme, dateTime, FieldType, getDisplayProcessor, ThemeContext } from "@grafana/data";
import {
  BigValue, BigValueColorMode, BigValueGraphMode, GlobalStyles, PanelChrome, TimeSeries, UPlotChart, UPlotConfigBuilder,
} from "@grafana/ui";

const CELL = 30; // pixels of a row of Grafana's grid, and what is between two
const BETWEEN = 8;
const { dashboard, answers, marks, from, to, width } = JSON.parse(document.getElementById("data").textContent);
const theme = createTheme({ colors: { mode: "light" } });
const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };

// As pictures.py names it.
function keyOf(panel) {
  return `${panel.title}${panel.gridPos.x},${panel.gridPos.y}`;
}

function legendOf(target, labels) {
  if (!target.legendFormat) return Object.values(labels).join(" ") || "value";
  return target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "");
}

// One frame for each series of each query, as Grafana's Prometheus data source makes them.
function framesOf(panel) {
  const defaults = panel.fieldConfig.defaults;
  const frames = [];
  panel.targets.forEach((target, index) => {
    for (const series of answers[keyOf(panel)][index]) {
      const name = legendOf(target, series.labels);
      const value = {
        name, type: FieldType.number, values: series.values, labels: series.labels,
        state: { displayName: name, seriesIndex: frames.length },
        config: {
          ...defaults, displayNameFromDS: name, color: { mode: "palette-classic" },
          custom: { drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, showPoints: "never", fillOpacity: 0,
            axisPlacement: "auto", spanNulls: false, ...defaults.custom,
            ...(defaults.custom?.stacking ? { stacking: { group: "A", ...defaults.custom.stacking } } : {}) },
        },
      };
      value.display = getDisplayProcessor({ field: value, theme });
      const time = { name: "Time", type: FieldType.time, values: series.times, config: {} };
      time.display = getDisplayProcessor({ field: time, theme });
      frames.push({ name, refId: target.refId, length: series.times.length, fields: [time, value] });
    }
  });
  return frames;
}

// What the dashboard's annotations found, as Grafana marks it: a dashed line.
function drawMarks(u) {
  const context = u.ctx;
  context.save();
  context.setLineDash([6, 4]);
  for (const mark of marks) {
    const x = u.valToPos(mark.time, "x", true);
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
    context.strokeStyle = theme.visualization.getColorByName(mark.color);
    context.beginPath();
    context.moveTo(x, u.bbox.top);
    context.lineTo(x, u.bbox.top + u.bbox.height);
    context.stroke();
  }
  context.restore();
}

function Lines({ panel, width, height }) {
  const legend = { showLegend: true, displayMode: "list", placement: "bottom", calcs: [], ...panel.options.legend };
  return (
    <TimeSeries frames={framesOf(panel)} structureRev={1} width={width} height={height} timeRange={timeRange}
      timeZone="utc" legend={legend} options={panel.options}>
      {(config) => { config.addHook("draw", drawMarks); return null; }}
    </TimeSeries>
  );
}

function Stat({ panel, width, height }) {
  const frames = framesOf(panel);
  // Of an instant query: the series that has a value now.
  const frame = panel.targets[0].instant ? frames.find((one) => (one.fields[1].values.at(-1) ?? null) !== null)
    : frames[0];
  if (!frame) return <div style={{ textAlign: "center" }}>No data</div>;
  const values = frame.fields[1];
  const last = values.values.filter((value) => value !== null).at(-1);
  const plain = { ...values, config: { ...values.config, color: undefined } };
  const shown = getDisplayProcessor({ field: plain, theme })(last);
  const named = panel.options.textMode === "value_and_name" ? { title: frame.name } : {};
  const color = values.config.mappings?.length ? shown.color : theme.colors.text.primary;
  const line = panel.options.graphMode === "none" ? {} : { sparkline: { x: frame.fields[0], y: values } };
  return (
    <BigValue width={width} height={height} theme={theme} value={{ ...shown, ...named, color }}
      colorMode={BigValueColorMode.Value} graphMode={panel.options.graphMode} {...line} />
  );
}

// Rows are buckets by their upper ends; a cell is the darker the more fell into it.
function Heatmap({ panel, width, height }) {
  const series = answers[keyOf(panel)][0]
    .map((one) => ({ ...one, le: Number(one.labels.le === "+Inf" ? Infinity : one.labels.le) }))
    .sort((a, b) => a.le - b.le);
  if (series.length === 0) return <div style={{ textAlign: "center" }}>No data</div>;
  const times = series[0].times;
  const at = series.map((one) => new Map(one.times.map((time, index) => [time, one.values[index] ?? 0])));
  const counts = series.map((_, row) => times.map((time) =>
    Math.max(0, (at[row].get(time) ?? 0) - (row > 0 ? at[row - 1].get(time) ?? 0 : 0))));
  const used = counts.map((row) => row.some((count) => count > 1e-9));
  const first = Math.max(0, used.indexOf(true) - 1);
  const last = Math.min(series.length - 1, used.lastIndexOf(true) + 1);
  const most = Math.max(...counts.flat(), 1e-9);
  const field = { type: FieldType.number, config: { unit: panel.options.yAxis.unit } };
  const text = getDisplayProcessor({ field, theme });
  const label = (le) => {
    if (le === Infinity) return "+Inf";
    const shown = text(le);
    return shown.text + (shown.suffix ?? "");
  };

  const config = new UPlotConfigBuilder("utc");
  config.addScale({ scaleKey: "x", isTime: true, orientation: 0, direction: 1, range: () => [from, to] });
  config.addScale({ scaleKey: "y", orientation: 1, direction: 1, range: () => [first, last + 1] });
  config.addAxis({ scaleKey: "x", isTime: true, placement: "bottom", theme, timeZone: "utc" });
  config.addAxis({ scaleKey: "y", placement: "left", theme, size: 70,
    splits: () => Array.from({ length: last - first + 1 }, (_, index) => first + index + 1),
    formatValue: (value) => label(series[value - 1]?.le) });
  config.addSeries({ scaleKey: "y", lineWidth: 0, theme, drawStyle: "points", pointSize: 0, show: true });
  config.addHook("draw", (u) => {
    const step = times.length > 1 ? times[1] - times[0] : 1000;
    for (let row = first; row <= last; row++) {
      times.forEach((time, index) => {
        const share = counts[row][index] / most;
        if (!(share > 1e-9)) return;
        u.ctx.fillStyle = `rgba(214, 90, 10, ${0.08 + 0.92 * Math.sqrt(share)})`; // as the scheme Oranges: pale to dark
        const left = u.valToPos(time - step, "x", true), right = u.valToPos(time, "x", true);
        const top = u.valToPos(row + 1, "y", true), bottom = u.valToPos(row, "y", true);
        const begin = Math.max(left, u.bbox.left);
        u.ctx.fillRect(begin, top, Math.max(1, right - begin), Math.max(1, bottom - top - 1));
      });
    }
  });
  return <UPlotChart config={config} width={width} height={height} data={[times, times.map(() => null)]} />;
}

const KINDS = { timeseries: Lines, stat: Stat, heatmap: Heatmap };

function Panel({ panel }) {
  const column = (width + BETWEEN) / 24;
  const { x, y, w, h } = panel.gridPos;
  const box = { position: "absolute", left: x * column, top: y * (CELL + BETWEEN) };
  if (panel.type === "row") {
    return <div style={{ ...box, fontSize: 16, fontWeight: 500, paddingTop: 8 }}>{panel.title}</div>;
  }
  const Kind = KINDS[panel.type];
  return (
    <div style={box}>
      <PanelChrome title={panel.title} width={w * column - BETWEEN} height={h * (CELL + BETWEEN) - BETWEEN}>
        {(innerWidth, innerHeight) => <Kind panel={panel} width={innerWidth} height={innerHeight} />}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById("root")).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {dashboard.panels.map((panel) => <Panel key={keyOf(panel)} panel={panel} />)}
  </ThemeContext.Provider>,
);
