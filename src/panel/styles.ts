/**
 * Colours come from `--offstage-…`, for themes of the page, and otherwise follow its colour scheme. Where the panel is narrow, the
 * open job takes the place of the list.
 */
export const styles = `
:host{display:block;container-type:inline-size;color-scheme:light dark;
--paper:var(--offstage-paper,light-dark(#fff,#16181b));
--raised:var(--offstage-raised,light-dark(#f4f5f7,#1f2227));
--ink:var(--offstage-ink,light-dark(#1b1d21,#e8e9ec));
--muted:var(--offstage-muted,light-dark(#5b616b,#a0a6b1));
--line:var(--offstage-line,light-dark(#d9dce1,#343941));
--accent:var(--offstage-accent,light-dark(#1d5fd1,#82adff));
--bad:var(--offstage-bad,light-dark(#c0281c,#ff8a7d));
--good:var(--offstage-good,light-dark(#1a7a3c,#67c98a));
--late:var(--offstage-late,light-dark(#8a5a00,#e5b454));
font:14px/1.45 var(--offstage-font,system-ui,sans-serif);font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
:host([theme=light]){color-scheme:light}
:host([theme=dark]){color-scheme:dark}
:host([hidden]){display:none}
*{box-sizing:border-box}
h2,h3,p,dl,dd,ol,ul,figure,pre{margin:0;padding:0}
ol,ul{list-style:none}
:host,dialog,button,input{color:var(--ink);background:var(--paper);border:1px solid var(--line);border-radius:6px}
button,input{font:inherit;font-size:14px;padding:3px 9px;min-height:30px}
button{cursor:pointer}
button:hover,.body [role=row]:hover,[aria-selected=true],.head [role=row],pre{background:var(--raised)}
button:disabled{opacity:.5}
input{min-width:0;width:100%}
input[type=number]{width:84px}
progress{width:100%;height:8px;accent-color:var(--accent);vertical-align:middle}
:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
h2{font-size:16px}
h3,th,td::before,figcaption,.filters label,.inline label,.head [role=row]{color:var(--muted);font-size:12px}
h3{margin:18px 0 6px}
.bad{color:var(--bad)}.muted,dt{color:var(--muted)}
button.bad{border-color:currentColor}
[aria-pressed=true],[aria-current]{background:var(--ink)!important;color:var(--paper)!important}
.bar,.figures,.inline{display:flex;gap:6px}
.bar,.figures{flex-wrap:wrap;align-items:center}
.inline{align-items:end}
.bar>.end{margin-left:auto}
.top,.filters,.view,.job{padding:12px 14px}
.top{display:grid;gap:10px}
.figures{gap:0 28px}
figure{flex:1 1 130px;max-width:260px}
figcaption{display:flex;justify-content:space-between}
figcaption b{color:var(--ink);font-weight:600}
svg{display:block;width:100%;height:28px;overflow:visible}
polyline{fill:none;stroke:var(--accent);stroke-width:1.5;vector-effect:non-scaling-stroke}
polyline.bad{stroke:var(--bad)}
nav button{border-color:transparent}
.filters,.view{border-top:1px solid var(--line)}
.filters{display:grid;grid-template-columns:2fr 1fr 1fr 1fr auto;gap:6px;align-items:end}
.filters label,.inline label{display:grid}
.acts{padding:0 14px 10px}
.split{display:flex}
.split>*{flex:1 1 0;min-width:0}
.list,.job{height:var(--offstage-height,min(60vh,620px));overflow:auto;border-top:1px solid var(--line)}
.list{overflow-anchor:none}
.list [role=row]{display:grid;grid-template-columns:104px minmax(80px,2fr) minmax(90px,3fr) minmax(60px,1fr) minmax(70px,1.4fr) 30px 92px;gap:0 12px;align-items:center;height:34px;padding:0 14px;border-bottom:1px solid var(--line)}
.list.half [role=row]{grid-template-columns:104px 1fr 2fr 92px}
.list.half .more{display:none}
.list [role=row]>*{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.list .head [role=row]{height:28px}
.head{position:sticky;top:0;z-index:1}
.body [role=row]{cursor:pointer}
#active{box-shadow:inset 3px 0 var(--accent)}
.num{text-align:right}
.empty.empty{display:block;height:auto;padding:36px 14px;border:0;text-align:center;color:var(--muted)}
.state{white-space:nowrap}
.state::before{content:'';display:inline-block;width:8px;height:8px;border-radius:50%;margin-right:7px;background:currentColor;forced-color-adjust:none}
.failed::before{color:var(--bad);border-radius:1px}
.completed::before{color:var(--good)}
.running::before{color:var(--accent)}
.scheduled::before,.blocked::before{color:var(--late)}
.queued::before,.cancelled::before{color:var(--muted)}
.job{border-left:1px solid var(--line)}
.job>.bar~.bar,dl{margin-top:10px}
dl,.past li{display:grid;grid-template-columns:auto 1fr;gap:2px 14px}
.past li{grid-template-columns:92px 1fr}
pre{font:12px/1.5 var(--offstage-mono,ui-monospace,Menlo,Consolas,monospace);white-space:pre-wrap;border-radius:6px;padding:8px 10px;max-height:320px;overflow:auto}
pre+pre{margin-top:6px}
.link{border:0;padding:0;min-height:0;background:none!important;color:var(--accent);text-decoration:underline;text-align:left}
.view{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400;overflow-wrap:normal}
dialog{width:min(460px,calc(100vw - 32px));padding:20px}
dialog::backdrop{background:#0008}
dialog ul{margin:8px 0 14px;max-height:180px;overflow:auto}
dialog .bar{justify-content:flex-end;margin-top:16px}
@container (max-width:640px){
.filters{grid-template-columns:1fr 1fr 1fr}
.filters label:first-child{grid-column:1/-1}
.split:has(.job)>.list,.list .head,.list .body .more{display:none}
.job{border-left:0;height:auto}
.list .body [role=row]{grid-template:'state name time' 'id id progress'/96px 1fr auto;height:56px;align-content:center}
.list .id{grid-area:id}.list .time{grid-area:time}
.list .body .progress{display:block;grid-area:progress;width:92px}
figure{flex-basis:40%;max-width:none}
thead,td:empty{display:none}
table,tbody{display:block}
tr{display:flex;flex-wrap:wrap;gap:6px 16px;padding:10px 0;border-bottom:1px solid var(--line)}
td{padding:0;border:0}
td::before{content:attr(data-head);display:block}
.inline{flex-wrap:wrap}
}
@media (forced-colors:active){#active,[aria-pressed=true],[aria-current]{outline:2px solid Highlight;outline-offset:-2px}}
`
