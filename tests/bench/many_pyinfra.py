# The same ten tasks as many.yml, for pyinfra.
from io import StringIO

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.facts.server import LinuxDistribution
from pyinfra.operations import files, server

folder = f"/srv/many/{host.name}"
distribution = host.get_fact(LinuxDistribution)["name"]
files.directory(path=f"{folder}/conf.d", mode="755")
lines = "\n".join(f"server_{n}" for n in range(1, 40))
files.put(src=StringIO(f"{lines}\nname {host.name}\n"), dest=f"{folder}/app.conf", mode="644")
files.put(src=StringIO(f"host {host.name} of {distribution}\n"), dest=f"{folder}/conf.d/host", mode="644")
files.put(src="many.yml", dest=f"{folder}/many.yml", mode="644")
files.put(src=StringIO(f"a secret of {host.name}"), dest=f"{folder}/authkey", mode="400")
files.line(path=f"{folder}/limits", line="hacluster soft memlock unlimited")
files.link(path=f"{folder}/current", target="app.conf")
if not host.get_fact(File, path=f"{folder}/done"):
    server.shell(commands=[f"touch {folder}/done"])
server.shell(commands=["true"])
