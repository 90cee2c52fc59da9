/** Owns what the console calls things. Refuses to know where they are shown. */

export const STATUS = { open: 'Open', pending: 'With the AI', snoozed: 'Snoozed', resolved: 'Resolved' };

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

export const WHO = { customer: 'Customer', ai_agent: 'AI assistant', human_agent: 'Colleague', system: 'System' };

export const SHORTCUTS = [
  ['j / k', 'Next or previous conversation'],
  ['r', 'Write a reply'],
  ['n', 'Write a private note'],
  ['d', 'Draft a reply from the policies'],
  ['t', 'Take over'],
  ['a', 'Return to the AI'],
  ['e', 'Resolve'],
  ['/', 'Search'],
  ['Esc', 'Leave the text, or go back to the list'],
  ['?', 'This list'],
];

/** What a customer is called: what they said their name is, else a short, stable name. */
export function nameOf({ id, customer }) {
  return customer?.name || customer?.identifier || customer?.email || `Visitor ${id.slice(2, 7)}`;
}

/** "now", "4 min", "2 h", "3 d". */
export function since(moment, now = Date.now()) {
  const minutes = Math.floor((now - Date.parse(moment)) / 60_000);
  if (!(minutes >= 1)) return 'now';
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** How pressing a wait is: "", "late" from 5 minutes on, "overdue" from 15. */
export function pressing(moment, now = Date.now()) {
  const minutes = (now - Date.parse(moment)) / 60_000;
  return minutes >= 15 ? 'overdue' : minutes >= 5 ? 'late' : '';
}
