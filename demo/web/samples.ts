import type { LandscapeInput } from './work/landscape.ts'

const size = { width: 900, height: 600 }

/** Three times of a day that never was. */
export const samples: Readonly<Record<string, LandscapeInput>> = {
  Dawn: {
    ...size,
    seed: 11,
    zenith: '#5b6f9e',
    horizon: '#f3c6a5',
    sun: '#fff1d6',
    hills: '#2b2f47',
    sunAt: [0.68, 0.4],
  },
  Noon: {
    ...size,
    seed: 29,
    zenith: '#3f83b8',
    horizon: '#d9e8e6',
    sun: '#ffffff',
    hills: '#1f4d45',
    sunAt: [0.3, 0.16],
  },
  Dusk: {
    ...size,
    seed: 47,
    zenith: '#2a2650',
    horizon: '#e0765a',
    sun: '#ffd27a',
    hills: '#1a1226',
    sunAt: [0.42, 0.47],
  },
}
