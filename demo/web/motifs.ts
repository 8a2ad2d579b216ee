import type { PrintInput } from './work/print.ts'

/** From the deepest chaos over the edge, in the middle, to the stillest order. */
const inks = {
  gold: ['#050a18', '#0e2a52', '#2f6f9f', '#fff3c9', '#f0b23c', '#7a3a10', '#1c0f08'],
  rose: ['#0d0a14', '#3b2350', '#8b5a86', '#fbe9e2', '#e2766a', '#6d1f3a', '#1d0a16'],
  sea: ['#04141a', '#0a3b45', '#3f8f8a', '#f4f1dc', '#c2b36b', '#56572a', '#16180c'],
}

export interface Motif {
  readonly input: PrintInput
  readonly ink: readonly string[]
}

/** Six places where order and chaos meet. */
export const motifs: readonly Motif[] = [
  { input: { title: 'Swallow', sequence: 'AB', across: [2, 4], upwards: [2, 4] }, ink: inks.gold },
  { input: { title: 'Jellyfish', sequence: 'AABAB', across: [2, 4], upwards: [2, 4] }, ink: inks.rose },
  { input: { title: 'Zircon city', sequence: 'BBBBBBAAAAAA', across: [2.5, 3.4], upwards: [3.4, 4] }, ink: inks.sea },
  { input: { title: 'Heron', sequence: 'ABBB', across: [3, 4], upwards: [2.8, 4] }, ink: inks.rose },
  { input: { title: 'Mainsail', sequence: 'AABB', across: [3, 4], upwards: [3, 4] }, ink: inks.sea },
  { input: { title: 'Lantern', sequence: 'AAB', across: [3.2, 4], upwards: [3, 4] }, ink: inks.gold },
]
