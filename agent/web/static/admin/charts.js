/**
 * Owns charts by day: drawn by uPlot on a canvas, with the same numbers as a table behind them.
 * Refuses to know what is counted, and to say anything by colour alone.
 * Invariant: what a chart shows, its table has.
 *
 * uPlot moves its parts through the style object, which the page's policy allows; it adds no style of text.
 */

import { h } from '../shared/dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 220;
const DAY_S = 86_400;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
export const TIMES = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800];
let loading = null;

/** uPlot itself, loaded when a chart is first wanted. */
function library() {
  loading ??= new Promise((resolve, reject) => {
    const style = h('link', { rel: 'stylesheet', href: '/static/admin/vendor/uplot.css' });
    const script = h('script', { src: '/static/admin/vendor/uplot.js', onload: () => resolve(globalThis.uPlot), onerror: () => reject(new Error('The charts could not be loaded.')) });
    document.head.append(style, script);
  });
  return loading;
}

/**
 * A chart with its title, its legend and its table. `days` are dates; `series` are {label, kind, values},
 * `kind` naming its colour (the class `kind-…`); `say` puts a value into words, `steps` are what the scale may go by.
 */
export function chart({ title, text, days, series, stacked = false, steps = STEPS, say }) {
  const stage = h('div', { class: 'chart-stage', role: 'img', 'aria-label': `${title}. The numbers are in the table below.` });
  const readout = h('p', { class: 'chart-readout', 'aria-hidden': 'true' });
  const figure = h('figure', { class: 'chart' },
    h('figcaption', {}, h('h3', {}, title), text && h('p', { class: 'muted' }, text)),
    series.length > 1 && legend(series), stage, readout, table(title, days, series, say));
  draw(stage, readout, { days, series, stacked, steps, say }).catch((error) => {
    stage.replaceChildren(h('p', { class: 'error' }, error.message));
  });
  return figure;
}

function legend(series) {
  return h('ul', { class: 'legend' }, series.map(({ label, kind }) => h('li', {}, swatch(kind), label)));
}

export function swatch(kind) {
  return h('span', { class: `swatch kind-${kind}`, 'aria-hidden': 'true' });
}

/** One bar of parts: [kind, share from 0 to 1]. Decorative: the numbers stand beside it. */
export function bar(...parts) {
  const svg = shape('svg', { class: 'bar', 'aria-hidden': 'true', focusable: 'false', preserveAspectRatio: 'none' });
  let from = 0;
  for (const [kind, share] of parts) {
    svg.append(shape('rect', { class: `kind-${kind}`, x: `${from * 100}%`, width: `${Math.max(0, share) * 100}%`, height: '100%' }));
    from += share;
  }
  return svg;
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** "12 Mar": a bare date is a calendar day, read in UTC. */
export function dayName(date) {
  return new Intl.DateTimeFormat(navigator.language, { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(new Date(date));
}

function table(title, days, series, say) {
  const cells = (values) => values.map((value) => h('td', {}, value == null ? '–' : say(value)));
  return h('details', { class: 'chart-table' }, h('summary', {}, 'Show the numbers'),
    h('div', { class: 'scrolled', tabindex: '0', role: 'region', 'aria-label': `${title}, as a table` },
      h('table', { class: 'figures' },
        h('caption', { class: 'unseen' }, title),
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Day'), series.map(({ label }) => h('th', { scope: 'col' }, label)))),
        h('tbody', {}, days.map((day, at) => h('tr', {},
          h('th', { scope: 'row' }, dayName(day)), cells(series.map(({ values }) => values[at]))))))));
}

async function draw(stage, readout, { days, series, stacked, steps, say }) {
  const uPlot = await library();
  const seconds = days.map((day) => Date.parse(day) / 1000);
  // The tallest is drawn first and the others over it: what is seen of each is its own part.
  const order = series.map((one, at) => ({ ...one, drawn: stacked ? sums(series, at) : one.values })).reverse();
  const bars = stacked ? uPlot.paths.bars({ size: [0.72, 44], radius: 0.08 }) : undefined;
  const say_ = (at) => {
    if (at == null) return '';
    const told = series.filter(({ values }) => values[at] != null && (!stacked || values[at] > 0))
      .map(({ label, values }) => `${label} ${say(values[at])}`);
    return `${dayName(days[at])}: ${told.join(' · ') || 'nothing'}`;
  };
  let plot = null;
  const make = () => {
    const width = stage.clientWidth;
    if (!width) return;
    plot?.destroy();
    const ink = colour(stage, 'muted');
    const axis = { stroke: ink, grid: { stroke: colour(stage, 'rule'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    plot = new uPlot({
      width, height: HEIGHT, tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !stacked } },
      scales: { x: { range: [seconds[0] - DAY_S / 2, seconds.at(-1) + DAY_S / 2] }, y: { range: (_, __, most) => [0, Math.max(most, stacked ? 4 : 1) * 1.06] } },
      axes: [
        { ...axis, grid: { show: false }, size: 30, space: 64, incrs: [1, 2, 7, 14, 28, 56].map((n) => n * DAY_S), values: (_, splits) => splits.map((at) => dayName(at * 1000)) },
        { ...axis, size: 58, incrs: steps, values: (_, splits) => splits.map(say) },
      ],
      series: [{}, ...order.map(({ kind }) => (stacked
        ? { paths: bars, fill: colour(stage, kind), stroke: colour(stage, kind), width: 0, points: { show: false } }
        : { stroke: colour(stage, kind), width: 2, spanGaps: true, points: { show: true, size: 5, fill: colour(stage, kind) } }))],
      hooks: { setCursor: [(one) => { readout.textContent = say_(one.cursor.idx); }] },
    }, [seconds, ...order.map(({ drawn }) => drawn)], stage);
  };
  const again = matchMedia('(prefers-color-scheme: dark)');
  again.addEventListener('change', make);
  const watcher = new ResizeObserver(() => {
    if (!stage.isConnected) {
      watcher.disconnect();
      again.removeEventListener('change', make);
      plot?.destroy();
    } else if (plot?.width !== stage.clientWidth) make();
  });
  watcher.observe(stage);
}

function sums(series, upto) {
  return series[upto].values.map((_, day) => series.slice(0, upto + 1).reduce((sum, { values }) => sum + values[day], 0));
}

/** A colour of the style sheet as the canvas takes it. */
function colour(near, kind) {
  const probe = h('span', { class: `swatch kind-${kind}`, hidden: true });
  near.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
