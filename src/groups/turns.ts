/** Somebody who takes turns with others. Only `Turns` writes these fields. */
export interface Turn<Member> {
  isWaiting: boolean
  before: Member | undefined
  after: Member | undefined
}

/** Those that wait for their turn, in a list that each can leave from anywhere: a member carries its neighbours. */
export class Turns<Member extends Turn<Member>> {
  first: Member | undefined
  #last: Member | undefined

  addLast(member: Member): void {
    this.#put(member, this.#last, undefined)
  }

  addFirst(member: Member): void {
    this.#put(member, undefined, this.first)
  }

  remove(member: Member): void {
    if (!member.isWaiting) return
    member.isWaiting = false
    this.#link(member.before, member.after)
    member.before = undefined
    member.after = undefined
  }

  #put(member: Member, before: Member | undefined, after: Member | undefined): void {
    member.isWaiting = true
    this.#link(before, member)
    this.#link(member, after)
  }

  /** Makes them neighbours; `undefined` stands for the end of the list. */
  #link(before: Member | undefined, after: Member | undefined): void {
    if (before) before.after = after
    else this.first = after
    if (after) after.before = before
    else this.#last = before
  }
}
