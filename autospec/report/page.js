"use strict";
(function () {
  var plots = document.querySelectorAll(".plot[data-figure]");
  if (typeof Plotly === "undefined") {
    plots.forEach(function (plot) {
      plot.textContent = "This figure needs assets/plotly.min.js beside the report.";
    });
    return;
  }
  function draw(plot) {
    var source = document.getElementById(plot.getAttribute("data-figure"));
    var figure = JSON.parse(source.textContent);
    Plotly.newPlot(plot, figure.data, figure.layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: plot.getAttribute("data-figure") }
    });
  }
  plots.forEach(draw);
})();
