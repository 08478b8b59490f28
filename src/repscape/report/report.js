"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  const theme = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const changes = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      "font.color": colour("--ink"),
      "font.family": style.getPropertyValue("--sans"),
      "hoverlabel.bgcolor": colour("--raised"),
      "hoverlabel.bordercolor": colour("--rule"),
      "hoverlabel.font.color": colour("--ink"),
      "modebar.bgcolor": "rgba(0,0,0,0)",
      "modebar.color": colour("--quiet"),
      "modebar.activecolor": colour("--accent"),
    };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(name)) {
        changes[name + ".gridcolor"] = colour("--rule");
        changes[name + ".linecolor"] = colour("--quiet");
        changes[name + ".zerolinecolor"] = colour("--rule");
      }
    }
    return changes;
  };

  const withChanges = (layout, changes) => {
    const result = structuredClone(layout);
    for (const [path, value] of Object.entries(changes)) {
      const names = path.split(".");
      const last = names.pop();
      let place = result;
      for (const name of names) {
        place = place[name] = place[name] || {};
      }
      place[last] = value;
    }
    return result;
  };

  const options = {
    responsive: true,
    displaylogo: false,
    // Plotly would offer to send the figure to its makers' server.
    plotlyServerURL: "",
    showSendToCloud: false,
    showEditInChartStudio: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg", filename: "repscape" },
  };

  const plots = [];
  for (const source of document.querySelectorAll("script[data-figure]")) {
    const element = document.getElementById(source.dataset.figure);
    const figure = JSON.parse(source.textContent);
    const layout = withChanges(figure.layout, theme(figure.layout));
    plots.push([element, figure.layout]);
    Plotly.newPlot(element, figure.data, layout, options);
  }
  dark.addEventListener("change", () => {
    for (const [element, layout] of plots) {
      Plotly.relayout(element, theme(layout));
    }
  });

  for (const menu of document.querySelectorAll(".menu select")) {
    menu.addEventListener("change", () => {
      for (const option of menu.options) {
        document.getElementById(option.value).classList.toggle("shown", option.selected);
      }
    });
  }

  const show = (tabs, chosen) => {
    for (const tab of tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).classList.toggle("shown", on);
    }
  };
  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    for (const [place, tab] of tabs.entries()) {
      tab.addEventListener("click", () => show(tabs, tab));
      tab.addEventListener("keydown", (event) => {
        const steps = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 };
        if (event.key in steps) {
          event.preventDefault();
          const next = tabs[(steps[event.key] + tabs.length) % tabs.length];
          show(tabs, next);
          next.focus();
        }
      });
    }
  }
})();
