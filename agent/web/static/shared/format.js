/**
 * Owns how times, days and numbers read in a language.
 * Refuses to know any sentence: those are each page's strings.
 * Invariant: an unreadable date gives an empty string, never "Invalid Date".
 */

function parsed(value) {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function time(value, locale) {
  const date = parsed(value);
  return date ? new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(date) : '';
}

export function date(value, locale) {
  // A bare date is a calendar day: read in UTC, it cannot slip to the day before.
  const zone = /^\d{4}-\d{2}-\d{2}$/.test(value) ? { timeZone: 'UTC' } : {};
  const day = parsed(value);
  return day ? new Intl.DateTimeFormat(locale, { dateStyle: 'medium', ...zone }).format(day) : '';
}

/** "today", "yesterday", else a date. */
export function day(value, locale, now = new Date()) {
  const then = parsed(value);
  if (!then) return '';
  const midnight = (when) => new Date(when.getFullYear(), when.getMonth(), when.getDate());
  const days = Math.round((midnight(then) - midnight(now)) / 86_400_000);
  if (days === 0 || days === -1) {
    const text = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(days, 'day');
    return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
  }
  return new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' }).format(then);
}

export function number(value, locale) {
  return new Intl.NumberFormat(locale).format(value);
}
