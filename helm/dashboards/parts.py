"""What all dashboards are made of: the variables, and panels that cannot be made without title, description and unit.

Queries name their job by the variables alone, and ranges by $__rate_interval: so a dashboard works in any
Prometheus that has the labels of the chart's monitors (namespace, pod, trainingjob, role)."""

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
OF_JOB = 'job=~"$job", namespace=~"$namespace", trainingjob=~"$trainingjob"'
OF_OPERATOR = 'job=~"$job", namespace=~"$namespace"'
WIDTH = 24


def query(expr, legend="", kind=None):
    made = prometheus.Dataquery().expr(expr).legend_format(legend).datasource(DATASOURCE)
    return made.format(kind) if kind else made


class Page:
    """A dashboard that lays its panels out in rows of their own width."""

    def __init__(self, uid, title, description, metric, job_variables=True):
        self.made = (dashboard.Dashboard(title).uid(uid).description(description).tags(["ballast"]).readonly()
                     .time("now-1h", "now").refresh("30s").timezone("browser")
                     .tooltip(model.DashboardCursorSync.CROSSHAIR)
                     .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")))
        self._variable("job", "Scrape job", f"label_values({metric}, job)")
        self._variable("namespace", "Namespace", f'label_values({metric}{{job=~"$job"}}, namespace)')
        if job_variables:
            of = f'{metric}{{job=~"$job", namespace=~"$namespace"}}'
            self._variable("trainingjob", "TrainingJob", f"label_values({of}, trainingjob)")
        self.refs = 0

    def _variable(self, name, label, values):
        self.made.with_variable(
            dashboard.QueryVariable(name).label(label).datasource(DATASOURCE).query(values)
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
            .multi(True).include_all(True).all_value(".*").current(model.VariableOption(text="All", value="$__all")))

    def events(self, name, expr, color):
        """Moments at which the expression is above 0, as marks in every panel."""
        self.made.annotation(dashboard.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True)
                             .icon_color(color).expr(expr))
        return self

    def row(self, title):
        self.made.with_row(dashboard.Row(title))
        return self

    def _panel(self, builder, title, description, unit, queries, width, height):
        panel = (builder.title(title).description(description).datasource(DATASOURCE)
                 .span(width).height(height))
        if unit is not None:
            panel = panel.unit(unit)
        for i, one in enumerate(queries):
            panel = panel.with_target(one.ref_id(chr(ord("A") + i)))
        self.made.with_panel(panel)
        return self

    def lines(self, title, description, unit, *queries, width=8, stack=False, least=None):
        panel = (timeseries.Panel().line_width(1).fill_opacity(20 if stack else 0)
                 .legend(common.VizLegendOptions().display_mode(common_model.LegendDisplayMode.LIST)
                         .placement(common_model.LegendPlacement.BOTTOM).show_legend(True))
                 .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI)
                          .sort(common_model.SortOrder.DESCENDING)))
        if stack:
            panel = panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
        if least is not None:
            panel = panel.min(least)
        return self._panel(panel, title, description, unit, queries, width, 8)

    def number(self, title, description, unit, one, width=4, red_above=None, decimals=None):
        steps = [model.Threshold(value=None, color="text" if red_above is None else "green")]
        if red_above is not None:
            steps.append(model.Threshold(value=red_above, color="red"))
        panel = (stat.Panel().graph_mode(common_model.BigValueGraphMode.AREA)
                 .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
                 .thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)))
        if decimals is not None:
            panel = panel.decimals(decimals)
        return self._panel(panel, title, description, unit, [one], width, 4)

    def word(self, title, description, one, words, width=4):
        """What a number from 0 on stands for: [(word, color)]."""
        mappings = [model.ValueMap(options={
            str(value): model.ValueMappingResult(text=text, color=color, index=value)
            for value, (text, color) in enumerate(words)})]
        panel = (stat.Panel().graph_mode(common_model.BigValueGraphMode.NONE)
                 .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).mappings(mappings))
        return self._panel(panel, title, description, "short", [one], width, 4)

    def largest(self, title, description, unit, one, width=4):
        """The name and the value of the one series that is the largest now."""
        panel = (stat.Panel().graph_mode(common_model.BigValueGraphMode.NONE)
                 .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
                 .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
                 .thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(
                     [model.Threshold(value=None, color="text")])))
        return self._panel(panel, title, description, unit, [one.instant()], width, 4)

    def heat(self, title, description, buckets, width=8):
        """Of a histogram's bucket series."""
        one = query(buckets, "{{le}}", prometheus_model.PromQueryFormat.HEATMAP)
        panel = (heatmap.Panel().calculate(False)
                 .y_axis(heatmap.YAxisConfig().unit("s"))
                 .color(heatmap.HeatmapColorOptions().mode(heatmap_model.HeatmapColorMode.SCHEME)
                        .scheme("Oranges").steps(32)))
        return self._panel(panel, title, description, "s", [one], width, 8)

    def rows(self, title, description, unit, *queries, width=24):
        panel = table.Panel()
        made = [one.instant().format(prometheus_model.PromQueryFormat.TABLE) for one in queries]
        return self._panel(panel, title, description, unit, made, width, 8)
