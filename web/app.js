// The regional totals of one period, dataset by dataset, from /api/v1. What the page shows is in its address
// (?region=…&period=…&lang=…), so it can be sent to somebody. Text from the server only ever becomes text nodes.
"use strict";

const SAY = {
  zh: {
    title: "苏木 Sumu", skip: "跳到数据", region: "地区", period: "时期", show: "查看", health: "运行状况",
    catalog: "目录", reports: "报告", loading: "正在读取……", shown: "已更新",
    forms: "例：2023-09-19、2023-W38、2023-09、2023-Q3、2023-H2、2023、2023-01-01/2023-09-19",
    indicator: "指标", value: "数值", unit: "单位", facts: "数据项", sources: "来源", open: "来源",
    sourcesOf: (name) => `${name}：组成该数的各项填报`, none: "未填报", noResult: "无法计算", overflow: "超出范围",
    atLeast: (v) => `${v}余`, about: (v) => `约${v}`, derived: "计算",
    received: (c) =>
      `应报 ${c.expected}，已报 ${c.received}（按时 ${c.on_time}，迟报 ${c.late}，补录 ${c.imported}）`,
    missing: "未报：", waiting: (n) => `未到期 ${n}`, rejected: "退回：", list: "、",
    partial: "该时期的边界切开了填报时期，只含完整的填报时期。",
    moment: (t, v) => `数据截至 ${t}，版本 ${v}`, down: "无法连接，稍后自动重试。",
  },
  en: {
    title: "Sumu 苏木", skip: "Skip to the figures", region: "Region", period: "Period", show: "Show", health: "Health",
    catalog: "Catalogue", reports: "Reports", loading: "Reading …", shown: "Up to date",
    forms: "E.g. 2023-09-19, 2023-W38, 2023-09, 2023-Q3, 2023-H2, 2023, 2023-01-01/2023-09-19",
    indicator: "Indicator", value: "Value", unit: "Unit", facts: "Facts", sources: "Sources", open: "sources",
    sourcesOf: (name) => `${name}: the reported facts it is made of`, none: "not reported", noResult: "cannot be computed", overflow: "out of range",
    atLeast: (v) => `more than ${v}`, about: (v) => `about ${v}`, derived: "computed",
    received: (c) =>
      `${c.received} of ${c.expected} reports received (${c.on_time} on time, ${c.late} late, ${c.imported} entered later)`,
    missing: "Missing: ", waiting: (n) => `${n} not due yet`, rejected: "Rejected: ", list: ", ",
    partial: "The period cuts through a reporting period; only whole ones are counted.",
    moment: (t, v) => `As of ${t}, version ${v}`, down: "No connection; trying again shortly.",
  },
};
const AGAIN_MS = 30000;

const $ = (id) => document.getElementById(id);
const at = new URLSearchParams(location.search);
let lang = at.get("lang") || (navigator.language.startsWith("zh") ? "zh" : "en");
let catalog = null, asked = 0, timer = 0;
if (!SAY[lang]) lang = "zh";

const say = (key, ...args) => (typeof SAY[lang][key] === "function" ? SAY[lang][key](...args) : SAY[lang][key]);
const nameOf = (thing) => thing["name_" + lang] || thing.name_zh || thing.name_en || thing.code;

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Values keep all their digits where the browser tells how they were written.
const exactly = (key, value, context) =>
  key === "value" && typeof value === "number" && context ? context.source : value;

async function ask(route, query) {
  const target = "/api/v1/" + route + "?" + new URLSearchParams({ ...query, lang: lang === "zh" ? "zh-CN" : "en" });
  const reply = await fetch(target, { credentials: "same-origin", cache: "no-store" });
  const body = JSON.parse(await reply.text(), exactly);
  if (reply.ok) return body;
  const refusal = new Error(body.error.message);
  refusal.refused = true;
  throw refusal;
}

function digits(value) {
  const [whole, fraction] = String(value).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return (fraction === undefined ? grouped : grouped + "." + fraction).replace("-", "−");
}

function figure(total) {
  if (total.overflow) return make("span", { class: "trouble" }, say("overflow"));
  if (total.value === null) return make("span", { class: "none" }, say(total.facts === null ? "noResult" : "none"));
  const value = make("b", {}, digits(total.value));
  const around = { at_least: "atLeast", about: "about" }[total.qualifier];
  if (!around) return value;
  const [before, after] = say(around, "\u0000").split("\u0000");
  return make("span", {}, before, value, after);
}

function row(indicator, total, query) {
  const name = nameOf(indicator);
  const href = "/api/v1/lineage?" + new URLSearchParams({ ...query, indicator: indicator.name });
  const link = make("a", { href, "aria-label": say("sourcesOf", name) }, say("open"));
  return make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, figure(total)),
    make("td", { class: "unit" }, indicator["unit_" + lang] || ""),
    make("td", { class: "number" }, total.facts === null ? say("derived") : digits(total.facts)),
    make("td", {}, total.value === null && !total.overflow ? "" : link));
}

function table(dataset, totals, query) {
  const column = (key, name) => make("th", { scope: "col", class: name || "" }, say(key));
  const head = make("tr", {}, column("indicator"), column("value", "number"), column("unit", "unit"),
    column("facts", "number"), column("sources"));
  const rows = dataset.indicators.map((name, i) => row(catalog.byName.get(name), totals[i], query));
  return make("div", { class: "table", tabindex: "0", role: "region", "aria-label": nameOf(dataset) },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

// An office by name if it is in that state; of a longer period with how many reports are.
function inState(office, state) {
  const name = nameOf(catalog.offices.get(office.office) || { code: office.office });
  if (office[state] === undefined) return office.state === state ? name : "";
  return office[state] > 1 ? `${name} ×${office[state]}` : office[state] ? name : "";
}

function coverageLine(c) {
  const line = make("p", { class: "coverage" }, make("strong", {}, say("received", c)));
  for (const state of ["missing", "rejected"]) {
    const names = c.offices.map((o) => inState(o, state)).filter(Boolean);
    if (names.length) line.append(" · ", make("span", { class: "trouble" }, say(state) + names.join(say("list"))));
  }
  if (c.waiting) line.append(" · ", say("waiting", c.waiting));
  return line;
}

async function section(dataset, query) {
  const node = make("section", {}, make("h2", {}, nameOf(dataset)));
  try {
    const [answer, coverage] = await Promise.all([ask("totals", { ...query, indicator: dataset.indicators.join(",") }),
      ask("coverage", { dataset: dataset.code, period: query.period })]);
    node.append(coverageLine(coverage));
    if (answer.totals.some((t) => t.partial)) node.append(make("p", { class: "coverage" }, say("partial")));
    node.append(table(dataset, answer.totals, query));
    node.moment = answer;
  } catch (refusal) {
    if (!refusal.refused) throw refusal;
    node.append(make("p", { class: "none" }, refusal.message));
  }
  return node;
}

function sayEverything() {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  document.title = say("title");
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const id of ["zh", "en"]) $(id).setAttribute("aria-pressed", String(id === lang));
  if (!catalog) return;
  const chosen = $("region").value || at.get("region") || catalog.root;
  $("place").textContent = nameOf(catalog);
  const option = (r) => make("option", { value: r.code }, "\u3000".repeat(r.depth) + nameOf(r));
  $("region").replaceChildren(...catalog.regions.map(option));
  $("region").value = catalog.regions.some((r) => r.code === chosen) ? chosen : catalog.root;
}

const civil = (time) =>
  new Date(time).toLocaleString(document.documentElement.lang, { timeZone: catalog.timezone });

async function show() {
  const mine = ++asked, query = { region: $("region").value, period: $("period").value.trim() };
  clearTimeout(timer);
  $("state").className = "";
  $("state").textContent = say("loading");
  try {
    const sections = await Promise.all(catalog.datasets.map((d) => section(d, query)));
    if (mine !== asked) return;
    $("figures").replaceChildren(...sections);
    const seen = sections.map((s) => s.moment).filter(Boolean)[0];
    $("moment").textContent = seen ? say("moment", civil(seen.as_of), seen.version) : "";
    $("state").textContent = say("shown");
    history.replaceState(null, "", "?" + new URLSearchParams({ ...query, lang }));
  } catch (trouble) {
    console.error(trouble);
    if (mine !== asked) return;
    $("state").className = "trouble";
    $("state").textContent = say("down");
  }
  timer = setTimeout(again, AGAIN_MS);
}

function again() {
  if (document.hidden || !catalog) timer = setTimeout(again, AGAIN_MS);
  else show();
}

// Regions in the order of the tree, to the second level below the root; what is deeper is asked for by address.
function inOrder(regions, root) {
  const children = new Map();
  for (const r of regions) children.set(r.parent, (children.get(r.parent) || []).concat(r));
  const out = [];
  const walk = (r, depth) => {
    out.push({ ...r, depth });
    if (depth < 2) for (const child of children.get(r.code) || []) walk(child, depth + 1);
  };
  walk(regions.find((r) => r.code === root), 0);
  const wanted = regions.find((r) => r.code === at.get("region"));
  if (wanted && !out.some((r) => r.code === wanted.code)) out.push({ ...wanted, depth: 0 });
  return out;
}

async function start() {
  try {
    const c = await ask("catalog", {});
    const { reports } = await ask("reports", { limit: 1, current: 1 });
    catalog = {
      ...c,
      byName: new Map(c.indicators.map((i) => [i.name, i])),
      offices: new Map(c.offices.map((o) => [o.code, o])),
      regions: inOrder(c.regions, c.root),
    };
    const newest = reports.length ? reports[0].period.slice(0, 4) : String(new Date().getFullYear());
    $("period").value = at.get("period") || newest;
    sayEverything();
    await show();
  } catch (trouble) {
    console.error(trouble);
    $("state").className = "trouble";
    $("state").textContent = say("down");
    timer = setTimeout(start, AGAIN_MS);
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (catalog) show();
});
$("region").addEventListener("change", () => catalog && show());
for (const id of ["zh", "en"])
  $(id).addEventListener("click", () => {
    lang = id;
    sayEverything();
    if (catalog) show();
  });
sayEverything();
start();
