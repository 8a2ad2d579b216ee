import { byId } from './dom.ts'
import { posters, scheduler } from './poster/flow.ts'

/** The panel of the poster's scheduler. It is loaded when it comes into sight. */
export function dockPanel(): void {
  const dock = byId('panel')
  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return
    observer.disconnect()
    const { mountPanel } = await import('offstage/panel')
    mountPanel(scheduler, { target: dock, flows: posters })
  })
  observer.observe(dock)
}
