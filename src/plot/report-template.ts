/** A page of HTML, which is XML too, as Eta has it: `<%= %>` escapes, `<%~ %>` is for the pictures alone. No script, nothing from elsewhere. */
export const reportTemplate = `<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title><%= it.title %></title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.6rem 0; }
th, td { padding: 0.15rem 0.8rem 0.15rem 0; text-align: right; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid #999; white-space: nowrap; }
th.name, td.name { text-align: left; overflow-wrap: anywhere; }
tbody tr:nth-child(even) { background: #f5f5f5; }
table.facts th { border: 0; text-align: left; font-weight: normal; color: #666; }
table.facts td { text-align: left; overflow-wrap: anywhere; }
table.facts tr { background: none !important; }
.wide { overflow-x: auto; }
.note { color: #666; }
figure { margin: 1rem 0; }
svg { max-width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; margin-top: 0.8rem; }
</style>
</head>
<body>
<h1><%= it.title %></h1>
<p class="note"><%= it.subtitle %></p>
<% if (it.plots.length > 0) { %>
<h2><%= it.plotsTitle %></h2>
<% for (const plot of it.plots) { %>
<figure><%~ plot %></figure>
<% } } %>
<h2>What was read</h2>
<table class="facts"><tbody>
<% for (const [name, value] of it.facts) { %><tr><th scope="row"><%= name %></th><td><%= value %></td></tr>
<% } %></tbody></table>
<% for (const section of it.sections) { %>
<h2><%= section.title %></h2>
<% for (const note of section.notes) { %><p class="note"><%= note %></p>
<% } %>
<% for (const table of section.tables) { %>
<% if (table.summary) { %><details<% if (table.open) { %> open=""<% } %>><summary><%= table.summary %></summary><% } %>
<div class="wide"><table>
<thead><tr><% table.head.forEach((cell, i) => { %><th scope="col"<% if (i < table.names) { %> class="name"<% } %>><%= cell %></th><% }) %></tr></thead>
<tbody>
<% for (const row of table.rows) { %><tr><% row.forEach((cell, i) => { %><td<% if (i < table.names) { %> class="name"<% } %>><%= cell %></td><% }) %></tr>
<% } %></tbody>
</table></div>
<% if (table.left > 0) { %><p class="note"><%= table.left %> more rows are left out.</p><% } %>
<% if (table.summary) { %></details><% } %>
<% } } %>
<% if (it.command) { %><h2>How it was made</h2>
<p><code><%= it.command %></code></p>
<p class="note"><%= it.versions %></p>
<% } %>
</body>
</html>
`
