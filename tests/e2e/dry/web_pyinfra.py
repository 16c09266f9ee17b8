# The same as web.yml, for pyinfra.
from pyinfra import host
from pyinfra.operations import apt, files, server, systemd

files.line(name="Name of the service", path="/etc/hosts", line="192.0.2.10 www.example.org")
server.group(name="Group", group="deploy")
server.user(name="User", user="web", group="deploy", shell="/usr/sbin/nologin")
apt.packages(name="Web server is installed", packages=["apache2"])
site = files.template(
    name="Site",
    src="site.conf.j2",
    dest="/etc/apache2/sites-available/www.conf",
    user="web",
    group="deploy",
    mode="640",
    inventory_hostname=host.name,
)
on = files.link(name="Site is on", path="/etc/apache2/sites-enabled/www.conf", target="../sites-available/www.conf")
test = server.shell(name="Configuration holds together", commands=["apachectl configtest >/var/www/html/test.txt 2>&1"])
systemd.service(name="Web server runs", service="apache2", running=True, enabled=True)
systemd.service(name="Reload the web server", service="apache2", reloaded=True, _if=lambda: site.did_change() or on.did_change())
