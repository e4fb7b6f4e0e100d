"use strict";
(function () {
  var plots = document.querySelectorAll(".plot[data-figure]");
  if (typeof Plotly === "undefined") {
    plots.forEach(function (plot) {
      plot.textContent = "This figure needs assets/plotly.min.js beside the report.";
    });
    return;
  }
  var hovers = window.matchMedia("(hover: hover)").matches;
  function draw(plot) {
    var key = plot.getAttribute("data-figure");
    var figure = JSON.parse(document.getElementById(key).textContent);
    var small = key.indexOf("slice") >= 0;
    // Equal axes on a phone: no taller than wide, but for the legend.
    if (/-(predictions|map)-/.test(key) && plot.clientWidth < 450) {
      figure.layout.height = plot.clientWidth + 60;
      plot.style.minHeight = figure.layout.height + "px";
    }
    var drawn = Plotly.newPlot(plot, figure.data, figure.layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: hovers && !small ? "hover" : false,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "sendChartToCloud"],
      // Plotly's "Share chart" would upload a farm's data: off, and without an address.
      showSendToCloud: false,
      plotlyServerURL: "",
      typesetMath: false,
      toImageButtonOptions: { format: "svg", filename: key }
    });
    if (figure.frames) {
      drawn.then(function () { Plotly.addFrames(plot, figure.frames); });
    }
  }
  plots.forEach(draw);
})();
