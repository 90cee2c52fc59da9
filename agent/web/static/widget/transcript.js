/**
 * Owns the conversation as a text file that the customer keeps.
 * Refuses to ask the server: it holds what the customer saw. Invariant: every source is named.
 */

import { date, time } from '../shared/format.js';
import { plainText } from '../shared/markdown.js';

export function transcript(conversation, name, { t, locale, greeting: own }) {
  const greeting = own || conversation.greeting;
  const { messages } = conversation;
  const who = (message) =>
    ({ customer: t('you'), ai_agent: t('assistant') })[message.role] ?? message.author ?? t('teamMember');
  const lines = [`${name}: ${t('transcript', { date: date(new Date(), locale) })}`];
  if (greeting) lines.push(`${t('assistant')}:\n${plainText(greeting)}`);
  for (const message of messages) {
    const text = message.role === 'customer' ? message.content : plainText(message.content, { citations: true });
    const sources = (message.citations ?? []).map((citation) =>
      `  [${citation.n}] ${[citation.title, citation.section, t('revision', { n: citation.revision })].filter(Boolean).join(', ')}`);
    const at = `${date(message.created_at, locale)} ${time(message.created_at, locale)}`;
    lines.push([`${who(message)} (${at}):`, text, ...sources].join('\n'));
  }
  return `${lines.join('\n\n')}\n`;
}

export function download(text, fileName) {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
