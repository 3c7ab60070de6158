/**
 * Elements without a framework. Text only ever becomes text nodes: ids and labels come from users' files,
 * so nothing here parses markup.
 */
import { visibleText } from '../../src/core/contract/format.ts';

export type Child = Node | string | number | null | undefined | false;

export interface Attributes {
  class?: string;
  /** Listeners, by event name. */
  on?: { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };
  [attribute: string]: unknown;
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on' || value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const [event, listener] of Object.entries(attributes.on ?? {})) {
    element.addEventListener(event, listener as EventListener);
  }
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** An HTML element. */
export function h<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/** An SVG element. */
export function s<T extends keyof SVGElementTagNameMap>(
  tag: T,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[T] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

let ids = 0;
/** An id that no other element of the page has. */
export function freshId(prefix: string): string {
  ids += 1;
  return `${prefix}-${ids}`;
}

/** Labels, ids and file names on one line, with whatever is invisible or turns text around as escapes; an empty one is named. */
export function dataText(text: string): string {
  return text.trim() === '' ? '(empty)' : visibleText(text);
}

/** A piece of the user's data: isolated from the text around it whatever its direction, whole in the tooltip. */
export function dataNode(text: string, className = ''): HTMLElement {
  return h('bdi', { class: `data ${className}`.trim(), title: dataText(text) }, dataText(text));
}
