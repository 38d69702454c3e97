const found = await axe.run(document, { resultTypes: ["violations"] });
return {
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  passes: found.passes.length,
  overflow: document.documentElement.scrollWidth - innerWidth,
  violations: found.violations.map((each) => [each.id, each.impact, each.nodes.map((node) => node.html.slice(0, 200))]),
};
