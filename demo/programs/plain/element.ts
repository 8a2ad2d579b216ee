/** The first element of the page that matches; the page has one. */
export function element<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, selector = ''): HTMLElementTagNameMap[Tag] {
  return document.querySelector(tag + selector) as HTMLElementTagNameMap[Tag]
}
