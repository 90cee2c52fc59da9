/**
 * Owns what the demo page does: its questions are asked in the chat, its search leads to the homes.
 * Refuses to know the widget beyond its page API. Invariant: a click made early is not lost.
 */

function ask(question) {
  if (window.$frontdesk) window.$frontdesk.ask(question);
  else window.addEventListener('frontdesk:ready', () => window.$frontdesk.ask(question), { once: true });
}

document.getElementById('questions').addEventListener('click', ({ target }) => {
  const button = target.closest('button');
  if (button) ask(button.textContent.trim());
});

document.getElementById('search').addEventListener('submit', (event) => {
  event.preventDefault();
  document.getElementById('homes').scrollIntoView();
});
