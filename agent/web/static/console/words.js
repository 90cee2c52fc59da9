/** Owns what the console calls things. Refuses to know where they are shown. */

export const STATUS = { open: 'Open', pending: 'With the AI', snoozed: 'Snoozed', resolved: 'Resolved' };

export const PRIORITY = { none: 'None', low: 'Low', medium: 'Medium', high: 'High', urgent: 'Urgent' };

export const REASONS = {
  customer_request: 'Asked for a person',
  missing_knowledge: 'Not in the policies',
  low_confidence: 'AI was not sure',
  policy_restriction: 'Policy leaves it to a person',
  unsupported_request: 'AI cannot do this',
  tool_failure: 'An action failed',
  approval_denied: 'Action not approved',
  agent_error: 'AI had a fault',
  usage_limit: 'Limit of AI answers',
};

export const FAULTS = {
  incorrect_information: 'Incorrect',
  incomplete_response: 'Incomplete',
  outdated_information: 'Outdated',
  inappropriate_response: 'Inappropriate',
  other: 'Something else',
};

export const MOODS = { positive: 'Friendly', neutral: 'Neutral', negative: 'Upset' };

export const WHO = { customer: 'Customer', ai_agent: 'AI assistant', human_agent: 'Colleague', system: 'System' };

export const SHORTCUTS = [
  ['j', 'Next conversation'],
  ['k', 'Previous conversation'],
  ['r', 'Write a reply'],
  ['n', 'Write a private note'],
  ['d', 'Draft a reply from the policies'],
  ['t', 'Take over'],
  ['i', 'Assign to somebody'],
  ['p', 'Set the priority'],
  ['l', 'Add a label'],
  ['s', 'Snooze'],
  ['a', 'Return to the AI'],
  ['e', 'Resolve'],
  ['f', 'Search the policies'],
  ['/', 'Search conversations; in the text: canned replies'],
  ['o', 'Overview, for supervisors'],
  ['Ctrl Enter', 'Send'],
  ['Esc', 'Leave the text, or go back to the list'],
  ['?', 'This list'],
];

/** What a customer is called: what they said their name is, else a short, stable name. */
export function nameOf({ id, customer }) {
  return customer?.name || customer?.identifier || customer?.email || `Visitor ${id.slice(2, 7)}`;
}

/** "now", "4 min", "2 h", "3 d". */
export function since(moment, now = Date.now()) {
  return span(now - Date.parse(moment)) || 'now';
}

function span(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (!(minutes >= 1)) return '';
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/**
 * How an answer that is owed stands: `look` is "", "late" from half of the time on, "overdue" after
 * it; `text` says it in words, so that nobody needs the colour.
 */
export function standingOf(due, now = Date.now()) {
  const [from, to] = [Date.parse(due.since), Date.parse(due.at)];
  if (now >= to) return { look: 'overdue', text: `${span(now - to) || '1 min'} late` };
  if (now >= (from + to) / 2) return { look: 'late', text: `due in ${span(to - now + 59_999) || '1 min'}` };
  return { look: '', text: `waits ${since(due.since, now)}` };
}
